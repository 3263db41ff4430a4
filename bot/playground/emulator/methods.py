"""The Bot API methods: each checks what the real server checks and fails in its words.

Names, parameters and results are those of https://core.telegram.org/bots/api (Bot API 10.1); checks and error texts
follow the open-source server (https://github.com/tdlib/telegram-bot-api, Client.cpp, read 2026-11). A method that
exists but is not emulated says so; one that does not exist is answered 404.
"""

from __future__ import annotations

from bot.playground.emulator import entities as text_rules
from bot.playground.emulator import methods_bot, methods_chats, methods_media, methods_messages
from bot.playground.emulator.calls import METHODS, ApiError, Call, Result, bad
from bot.playground.emulator.keyboards import KeyboardError
from bot.playground.emulator.updates import Conflict

#: Where the methods are; each puts its own into ``METHODS``.
SUBJECTS = (methods_bot, methods_messages, methods_chats, methods_media)
#: The methods of Bot API 10.1 that are not here; a bot that calls one is told so.
NOT_EMULATED = frozenset(
    """
    answerChatJoinRequestQuery answerGuestQuery answerInlineQuery answerPreCheckoutQuery answerShippingQuery
    answerWebAppQuery addStickerToSet approveChatJoinRequest approveSuggestedPost banChatMember banChatSenderChat
    convertGiftToStars createChatInviteLink createChatSubscriptionInviteLink createInvoiceLink createNewStickerSet
    declineChatJoinRequest declineSuggestedPost deleteAllMessageReactions deleteBusinessMessages deleteChatPhoto
    deleteChatStickerSet deleteMessageReaction deleteStickerFromSet deleteStickerSet deleteStory editChatInviteLink
    editChatSubscriptionInviteLink editMessageChecklist editMessageLiveLocation editStory editUserStarSubscription
    exportChatInviteLink getAvailableGifts getBusinessAccountGifts getBusinessAccountStarBalance
    getBusinessConnection getChatGifts getCustomEmojiStickers getForumTopicIconStickers getGameHighScores
    getManagedBotAccessSettings getManagedBotToken getMyStarBalance getStarTransactions getStickerSet
    getUserChatBoosts getUserGifts getUserPersonalChatMessages getUserProfileAudios getUserProfilePhotos
    giftPremiumSubscription hideGeneralForumTopic postStory promoteChatMember readBusinessMessage refundStarPayment
    removeBusinessAccountProfilePhoto removeChatVerification removeMyProfilePhoto removeUserVerification
    replaceManagedBotToken replaceStickerInSet repostStory restrictChatMember revokeChatInviteLink
    savePreparedInlineMessage savePreparedKeyboardButton sendChatJoinRequestWebApp sendChecklist sendGame sendGift
    sendInvoice sendLivePhoto sendMessageDraft sendPaidMedia sendRichMessage sendRichMessageDraft
    setBusinessAccountBio setBusinessAccountGiftSettings setBusinessAccountName setBusinessAccountProfilePhoto
    setBusinessAccountUsername setChatAdministratorCustomTitle setChatDescription setChatMemberTag
    setChatPermissions setChatPhoto setChatStickerSet setCustomEmojiStickerSetThumbnail setGameScore
    setManagedBotAccessSettings setMyProfilePhoto setPassportDataErrors setStickerEmojiList setStickerKeywords
    setStickerMaskPosition setStickerPositionInSet setStickerSetThumbnail setStickerSetTitle setUserEmojiStatus
    stopMessageLiveLocation transferBusinessAccountStars transferGift unbanChatMember unbanChatSenderChat
    unhideGeneralForumTopic unpinAllForumTopicMessages unpinAllGeneralForumTopicMessages upgradeGift
    uploadStickerFile verifyChat verifyUser
    """.lower().split()
)


async def run(name: str, call: Call) -> Result:
    """Run one method; raises ApiError."""
    found = METHODS.get(name.lower())
    if found is None:
        if name.lower() in NOT_EMULATED:
            raise ApiError(400, f'Bad Request: method "{name}" is not emulated')
        raise ApiError(404, "Not Found: method not found")
    if call.bot.logged_out:
        raise ApiError(400, "Bad Request: Logged out")
    try:
        return await found(call)
    except (text_rules.EntityError, KeyboardError) as error:
        raise bad(str(error)) from error
    except Conflict as error:
        raise ApiError(409, str(error)) from error


__all__ = ["METHODS", "NOT_EMULATED", "ApiError", "Call", "run"]
